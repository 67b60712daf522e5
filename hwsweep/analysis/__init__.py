"""What a trained VAE did with its latents, measured and predicted: pure functions over tensors.

Rates, distances between distributions and bounds are in nats per image unless a docstring says otherwise.
"""
