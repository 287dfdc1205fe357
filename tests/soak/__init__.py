"""Whether the soak test's judges see what is wrong, and nothing else."""
