"""What is wrong between here and a machine's engine: looked at step by step, nothing changed."""
