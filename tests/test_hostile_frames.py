"""A sample of `hostile_frames.py`, which encodes 1,000 tables."""

import hostile_frames


def test_a_sample():
    reports = []
    assert hostile_frames.run(150, 0, reports.append) == []
    for outcome in ("fit encoded", "fit refused", "predict encoded", "predict refused"):
        assert outcome in reports[0]


def test_a_sample_of_fits():
    reports = []
    assert hostile_frames.run(100, 0, reports.append, one=hostile_frames.fit_one) == []
    for outcome in ("fit encoded", "fit refused", "predict encoded", "predict refused"):
        assert outcome in reports[0]


def test_failures_are_found(monkeypatch):
    """The sample would pass on an encoder that raises anything, if nothing told clear errors from others."""
    from fastnn2.tabular.encoder import TableEncoder

    def fail(*arguments):
        raise ValueError("no")

    monkeypatch.setattr(TableEncoder, "encode", fail)
    failures = hostile_frames.run(20, 0, [].append)
    assert len(failures) > 5
    assert all("ValueError: no" in failure for failure in failures)
