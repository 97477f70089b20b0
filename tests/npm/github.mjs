// Start emulate's GitHub on a free port of loopback, with the seed that comes as the first line of standard input.
// Its address is the first line of the output. It ends when standard input does, so that it never outlives its test.
import { createInterface } from "node:readline";
import { createEmulator } from "emulate";

const lines = createInterface({ input: process.stdin });
let emulator;
lines.once("line", async (line) => {
  emulator = await createEmulator({ service: "github", port: 0, hostname: "127.0.0.1", seed: JSON.parse(line) });
  console.log(emulator.url);
});
lines.once("close", async () => {
  await emulator?.close();
  process.exit(0);
});
