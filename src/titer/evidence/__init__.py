"""Remember and prove: an append-only log, checkpoints, dossiers, and their verification."""
