"""Every compiled function of fastnn2, and what loads them: see README, Rationale."""
