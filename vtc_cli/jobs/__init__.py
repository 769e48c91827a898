"""What the commands do, without a terminal: plans, runs, batches."""
