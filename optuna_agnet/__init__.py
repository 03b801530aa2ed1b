"""AG-Net: neural architecture search for Optuna."""
