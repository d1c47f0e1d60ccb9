"""Speed, as ratios inside one run: `python -m bench`. Never a timed test."""
