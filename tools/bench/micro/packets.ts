/** Script: reading IP packets and control packets, and the slow twin of each beside it. */
import { BodyReader } from "../../../src/core/wire/body-reader.ts";
import { BodyWriter } from "../../../src/core/wire/body-writer.ts";
import { Echo, FIELD_RECEIVED, Received } from "../../../src/core/wire/control-body.ts";
import { Flow } from "../../../src/core/wire/flow.ts";
import { decodeBody } from "../../../test/naive/body.ts";
import { describePacket } from "../../../test/naive/ip-flow.ts";
import { fromHex, vectors, viewOf } from "../../../test/vectors/load.ts";
import { compare, type Variant } from "./harness.ts";

/** How often the twins are run in a round. */
const TWIN_COUNT = 2000;

const packets = vectors<{ why: string; hex: string }>("ip-packets");
const packet = (why: string) => fromHex(packets.find((vector) => vector.why === why)!.hex);

function parsing(bytes: Uint8Array): Variant {
  const flow = new Flow();
  const view = viewOf(bytes);
  return (count) => {
    let sum = 0;
    for (let n = 0; n < count; n++) {
      flow.parse(view, 0, bytes.length);
      sum += flow.payloadBytes + flow.sourcePort;
    }
    return sum;
  };
}

const tcp = packet("TCP with data");
compare("parsing an IP packet", {
  "TCP over IPv4": parsing(tcp),
  "UDP over IPv6": parsing(packet("UDP over IPv6")),
  "UDP behind a hop-by-hop header": parsing(packet("a hop-by-hop header: the ports are found behind it")),
});
const twin: Variant = (count) => {
  let sum = 0;
  for (let n = 0; n < count; n++) sum += describePacket(tcp)!.payloadBytes;
  return sum;
};
compare("parsing one by the slow twin", { "TCP over IPv4": twin }, TWIN_COUNT);

const PATHS = 4;
const view = new DataView(new ArrayBuffer(1024));
const received = new Received();
const echo = new Echo();
const writer = new BodyWriter();
const reader = new BodyReader();

function writeHeartbeat(n: number): number {
  writer.begin(view, 0, 1024);
  received.packets = n;
  echo.timestampUs = n;
  for (let path = 1; path <= PATHS; path++) {
    received.path = path;
    echo.path = path;
    writer.received(received);
    writer.echo(echo);
  }
  return writer.bytes;
}

const bytes = writeHeartbeat(1);
compare(`a heartbeat about ${PATHS} paths`, {
  written: (count) => {
    let sum = 0;
    for (let n = 0; n < count; n++) sum += writeHeartbeat(n);
    return sum;
  },
  read: (count) => {
    let sum = 0;
    for (let n = 0; n < count; n++) {
      reader.begin(view, 0, bytes);
      while (reader.next()) {
        sum += reader.type === FIELD_RECEIVED ? reader.received(received).path : reader.echo(echo).path;
      }
    }
    return sum;
  },
});
const heartbeat = new Uint8Array(view.buffer, 0, bytes);
const bodyTwin: Variant = (count) => {
  let sum = 0;
  for (let n = 0; n < count; n++) sum += decodeBody(heartbeat)!.length;
  return sum;
};
compare("reading one by the slow twin", { read: bodyTwin }, TWIN_COUNT);
