"""The arithmetic of a network for one tile of samples or one range of parameters: forward, cost, backward, update.

May import simd and shared.
"""
