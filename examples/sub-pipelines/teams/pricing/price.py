from pathlib import Path

margin = float(Path("params.yaml").read_text().partition(":")[2])
Path("metrics.json").write_text(f'{{"profit": {1000 * margin}}}\n')
