"""The Hydra plugin of hwsweep; Hydra 1.3 finds plugins only under the import name hydra_plugins."""
