"""How well one caller is weighed: false alarms, exchanges to detection, windows, baselines."""
