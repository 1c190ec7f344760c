import type { Logger } from "pino";
import type { PathView, PeerView } from "../control/views.ts";

/** Says in the log which peers and paths have come and gone, and who is refused. */
export class PathWatch {
  private readonly log: Logger;
  private paths = new Map<string, PathView["state"]>();
  private peers = new Map<string, PeerView>();

  constructor(log: Logger) {
    this.log = log;
  }

  note(paths: readonly PathView[], peers: readonly PeerView[]): void {
    const states = new Map(
      paths.map((path) => [`${path.peer}: path ${path.name} port ${path.port}`, path.state]),
    );
    for (const [name, state] of states) {
      if (state === "ready" && this.paths.get(name) !== "ready") this.log.info(`${name} works`);
      if (state === "down" && this.paths.get(name) === "ready") this.log.warn(`${name} is silent`);
    }
    for (const [name, state] of this.paths) {
      if (state === "ready" && !states.has(name)) this.log.info(`${name} is gone`);
    }
    for (const peer of peers) this.notePeer(peer, this.peers.get(peer.name));
    this.paths = states;
    this.peers = new Map(peers.map((peer) => [peer.name, peer]));
  }

  private notePeer({ name, node, state, clashes, refusal }: PeerView, before: PeerView | undefined): void {
    if (state !== (before?.state ?? "down")) {
      if (state === "up") this.log.info(`${name}: reached`);
      else this.log.warn(`${name}: not reached any more`);
    }
    if (clashes > (before?.clashes ?? 0)) {
      this.log.warn(
        `${name}: another node with the node ID ${node} is refused; one of the two needs another ID`,
      );
    }
    if (refusal !== undefined && refusal !== before?.refusal)
      this.log.warn(`${name}: refuses us: ${refusal}`);
  }
}
