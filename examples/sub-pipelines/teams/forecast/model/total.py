"""Put all scores together; draw them as a table and as a picture."""

import json
import struct
import tomllib
import zlib
from pathlib import Path

scores = {}
for file in sorted(Path("model/scores").glob("*.toml")):
    _region, _, horizon = file.stem.rpartition("-")
    scores.setdefault(int(horizon), []).append(tomllib.loads(file.read_text())["mae"])
means = {horizon: round(sum(values) / len(values), 3) for horizon, values in sorted(scores.items())}
out = Path("model/total")
out.mkdir(exist_ok=True)
total = {"mae": round(sum(means.values()) / len(means), 3), "by-horizon": {f"day {h}": mae for h, mae in means.items()}}
(out / "total.json").write_text(json.dumps(total, indent=2) + "\n")
(out / "errors.tsv").write_text("horizon\tmae\n" + "".join(f"{h}\t{mae}\n" for h, mae in means.items()))

WIDTH, BAR = 120, 12
lines = b"".join(
    (b"\0" + bytes(40 if x < mae * 5 else 230 for x in range(WIDTH))) * BAR + (b"\0" + bytes([230]) * WIDTH) * 4
    for mae in means.values()
)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


head = struct.pack(">IIBBBBB", WIDTH, len(means) * (BAR + 4), 8, 0, 0, 0, 0)
png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
(out / "errors.png").write_bytes(png)
