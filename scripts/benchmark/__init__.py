"""Speed, measured against other tools on a lab of this machine; run by scripts/bench."""
