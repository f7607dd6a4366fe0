"""The consumer stage: runs consumer tests and judges what they wrote down. The pytest fixtures are in `harness.testing`."""
