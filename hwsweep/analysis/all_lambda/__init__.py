"""The analysis of a model for every lambda: the VAE that it is at some stops of lambda."""
