"""Engines that run the batch pipeline which makes the model."""
