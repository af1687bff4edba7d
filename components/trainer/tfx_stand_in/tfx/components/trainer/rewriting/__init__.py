"""TFX's Model Rewriting Library: a SavedModel in another format."""
