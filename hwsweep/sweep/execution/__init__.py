"""Where trials run: processes of this machine, a Hydra launcher, Ray or Slurm."""
