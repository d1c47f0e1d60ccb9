"""Quality, with seeds and intervals: `python -m evals`. Results are committed beside."""
