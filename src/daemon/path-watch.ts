import type { Logger } from "pino";
import type { PathView, PeerView } from "../control/views.ts";

/** Says in the log which peers and paths have come and gone, and who is refused. */
export class PathWatch {
  private readonly log: Logger;
  private works = new Map<string, boolean>();
  private peers = new Map<string, PeerView>();

  constructor(log: Logger) {
    this.log = log;
  }

  note(paths: readonly PathView[], peers: readonly PeerView[]): void {
    const works = new Map<string, boolean>();
    for (const path of paths) {
      const name = `${path.peer}: path ${path.name} port ${path.port}`;
      const did = this.works.get(name) ?? false;
      // Of a suspect one it is not known yet.
      works.set(name, path.state === "ready" || (path.state === "suspect" && did));
      if (works.get(name) && !did) this.log.info(`${name} works`);
      if (!works.get(name) && did) this.log.warn(`${name}: ${path.why}`);
    }
    for (const [name, did] of this.works) if (did && !works.has(name)) this.log.info(`${name} is gone`);
    for (const peer of peers) this.notePeer(peer, this.peers.get(peer.name));
    this.works = works;
    this.peers = new Map(peers.map((peer) => [peer.name, peer]));
  }

  private notePeer({ name, node, state, clashes, refusal }: PeerView, before: PeerView | undefined): void {
    if (state !== (before?.state ?? "down")) {
      if (state === "up") this.log.info(`${name}: reached`);
      else this.log.warn(`${name}: not reached any more`);
    }
    if (clashes > (before?.clashes ?? 0)) {
      const id = node === undefined ? "our own node ID" : `the node ID ${node}`;
      this.log.warn(`${name}: another node with ${id} is refused; one of the two needs another ID`);
    }
    if (refusal !== undefined && refusal !== before?.refusal)
      this.log.warn(`${name}: refuses us: ${refusal}`);
  }
}
