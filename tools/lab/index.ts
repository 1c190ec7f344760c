/** Everything that tests, benches and demos use of the lab. */

export { packageRoot } from "../../src/cli/package.ts";
export {
  CommandError,
  type ExecOptions,
  type ExecResult,
  type Exit,
  LabProcess,
  type SpawnOptions,
} from "./command.ts";
export { contentSha256 } from "./content.ts";
export {
  type Description,
  DescriptionError,
  type FirewallRule,
  type HostDescription,
  type LinkDescription,
  type NatDescription,
  type NatKind,
  type PortForward,
} from "./description.ts";
export { readDescription } from "./description-file.ts";
export type { DirectionStats, LinkStats } from "./emulator.ts";
export type { Host } from "./host.ts";
export { type CurlOptions, contentUrl, curl, type Download, startContentServer } from "./http.ts";
export { type IperfInterval, type IperfOptions, type IperfResult, iperf3 } from "./iperf3.ts";
export { Lab } from "./lab.ts";
export type { Direction, End, LineParams } from "./line.ts";
export type { CutKind, LineChange, Link } from "./link.ts";
export { type Machine, machine } from "./machine.ts";
export { LabDaemon } from "./mpip-daemon.ts";
export { disableMptcp, enableMptcp, linkAddresses, type MptcpAddress } from "./mptcp.ts";
export { namespaced } from "./namespace.ts";
export type { Nat } from "./nat.ts";
export { toolCommand } from "./own-files.ts";
export { type PingOptions, type PingResult, ping } from "./ping.ts";
export {
  type LabInterface,
  type RateRecording,
  type RateSample,
  type RateSeries,
  recordRates,
} from "./rates.ts";
export { RequirementError, requireTools } from "./requirements.ts";
export { median, percentile } from "./statistics.ts";
export { type TcpChoice, tcpCommand } from "./tcp-command.ts";
export { sweep } from "./teardown.ts";
export type { Endpoint } from "./udp-endpoint.ts";
export { reflections, startReflector } from "./udp-reflection.ts";
export { udpRoundTripsUs } from "./udp-round-trips.ts";
export { type StreamOptions, type StreamResult, udpStream } from "./udp-stream.ts";
export { type WaitOptions, waitFor } from "./wait-for.ts";
