import { pino } from "pino";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { parseAddress } from "../../src/io/address.ts";
import { openArena } from "../../src/io/native.ts";
import { openTun } from "../../src/io/tun.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { Pipe, pipeArenaBytes } from "./pipe.ts";

// One end of the pipe, as a process of its own: prints "ready", ends with SIGTERM.

const options = yargs(hideBin(process.argv))
  .options({
    tun: { type: "string", default: "mp0", describe: "name of the TUN device" },
    mtu: { type: "number", default: 1400, describe: "its MTU" },
    local: { type: "string", array: true, demandOption: true, describe: "local address of each path" },
    remote: { type: "string", array: true, demandOption: true, describe: "remote address of each path" },
    port: { type: "number", default: 7000, describe: "UDP port of both ends" },
    from: { type: "string", demandOption: true, describe: "address on the TUN device" },
    to: { type: "string", demandOption: true, describe: "address on the other end's" },
  })
  .strict()
  .parseSync();

const log = pino({ name: "pipe" }, pino.destination(2));
const arena = openArena(pipeArenaBytes(options.local.length));
const tun = openTun({ name: options.tun, mtu: options.mtu }, arena, log);
const udp = openUdpPort(arena, log);
const paths = options.local.map((text, k) => ({
  socket: udp.open({ address: parseAddress(text), port: options.port }),
  remote: parseAddress(options.remote[k]!),
  remotePort: options.port,
}));
const ipv4 = (text: string) => new DataView(parseAddress(text).buffer).getUint32(12);
new Pipe(arena, tun, udp, paths, { local: ipv4(options.from), remote: ipv4(options.to) }).start();
process.on("SIGTERM", () => {
  tun.close();
  udp.close();
});
process.stdout.write("ready\n");
