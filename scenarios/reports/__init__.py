"""What is shown of runs and batches: reports, comparisons, pictures, the viewer."""
