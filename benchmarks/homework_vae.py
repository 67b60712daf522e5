# ruff: noqa: D103, PTH118  # written as a student writes it
"""A VAE as in a homework: one script run per lambda, without hwsweep.

    python benchmarks/homework_vae.py IMAGES.npz LAMBDA FOLDER [EPOCHS]

It uses `Dataset` + `ToTensor` + `DataLoader`, one class for the model, `loss.item()` at every step, the test loss after
each epoch, and pyplot for the figures: loss curves, images with their reconstructions, samples, interpolations.
"""

import os
import sys

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.utils import make_grid

BATCH, HIDDEN, LATENT = 100, 400, 20


class TibetanMNIST(Dataset):
    """Returns one image at a time to the DataLoader."""

    def __init__(self, images, transform):
        self.images, self.transform = images, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index])


class VAE(nn.Module):
    """Encoder 784-400-20, decoder 20-400-784."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, HIDDEN)
        self.mean, self.log_var = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)
        self.hidden_back, self.pixels = nn.Linear(LATENT, HIDDEN), nn.Linear(HIDDEN, 784)

    def encode(self, x):
        h = F.relu(self.hidden(x.view(-1, 784)))
        return self.mean(h), self.log_var(h)

    def decode(self, z):
        return torch.sigmoid(self.pixels(F.relu(self.hidden_back(z))))

    def forward(self, x):
        mean, log_var = self.encode(x)
        z = mean + torch.randn_like(mean) * torch.exp(log_var / 2)
        return self.decode(z), mean, log_var


def loss_of(model, x, weight):
    """Cross-entropy + weight * KL, summed over the batch."""
    pixels, mean, log_var = model(x)
    distortion = F.binary_cross_entropy(pixels, x.view(-1, 784), reduction="sum")
    return distortion - 0.5 * weight * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())


def save(folder, name, images):
    """Write a grid of images, ten per row."""
    plt.figure(figsize=(8, 8))
    plt.imshow(make_grid(images.view(-1, 1, 28, 28), nrow=10).permute(1, 2, 0).numpy())
    plt.axis("off")
    plt.savefig(os.path.join(folder, name), dpi=150)
    plt.close()


def main():
    path, weight, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    epochs = int(sys.argv[4]) if len(sys.argv) > 4 else 10
    torch.manual_seed(0)
    with np.load(path) as arrays:
        images = next(arrays[key] for key in arrays.files if arrays[key].ndim == 3)
    images = images[np.random.default_rng(0).permutation(len(images))]
    n = len(images) // 10
    train, test = (TibetanMNIST(part, transforms.ToTensor()) for part in (images[2 * n :], images[:n]))
    train_loader = DataLoader(train, batch_size=BATCH, shuffle=True)
    test_loader = DataLoader(test, batch_size=BATCH)
    model = VAE()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    curves = {"train": [], "test": []}
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x in train_loader:
            optimizer.zero_grad()
            loss = loss_of(model, x, weight)
            loss.backward()
            optimizer.step()
            total += loss.item()
        curves["train"].append(total / len(train))
        model.eval()
        with torch.no_grad():
            curves["test"].append(sum(loss_of(model, x, weight).item() for x in test_loader) / len(test))
        print(f"epoch {epoch + 1}: train {curves['train'][-1]:.2f}, test {curves['test'][-1]:.2f}", flush=True)
    for name, values in curves.items():
        plt.plot(values, label=name)
    plt.xlabel("epoch")
    plt.legend()
    plt.savefig(os.path.join(folder, "loss.png"), dpi=150)
    plt.close()
    with torch.no_grad():
        x = next(iter(test_loader))[:50]
        save(folder, "reconstructions.png", torch.cat([x.view(-1, 784), model(x)[0]]))
        save(folder, "samples.png", model.decode(torch.randn(100, LATENT)))
        ends, steps = model.encode(x)[0], torch.linspace(0, 1, 10).view(-1, 1)
        lines = [model.decode(ends[2 * row] * (1 - steps) + ends[2 * row + 1] * steps) for row in range(10)]
        save(folder, "interpolations.png", torch.cat(lines))


if __name__ == "__main__":
    main()
