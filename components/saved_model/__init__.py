"""SavedModels on disk: read, run and described as TensorFlow Serving sees them."""
