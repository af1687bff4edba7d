"""What users write: one folder per model."""
