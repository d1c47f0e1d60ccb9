"""What lowering costs, honest accounts and attackers alike: `python -m evals lower`."""
