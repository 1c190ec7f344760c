import { INVALID_PARAMS, type Params, RpcError } from "../control/protocol.ts";
import type { Methods } from "../control/server.ts";
import {
  type PathView,
  type PeerView,
  pathViews,
  peerViews,
  type StatusView,
  sessionsView,
} from "../control/views.ts";
import type { Router } from "../core/router/router.ts";

export const SESSIONS_DEFAULT = 1000;
export const SESSIONS_MAX = 100_000;

/** What the control socket reaches of the daemon. */
export interface Controlled {
  readonly router: Router;
  peers(): readonly { readonly name: string; readonly routes: readonly string[] }[];
  missingPaths(views: readonly PathView[]): PathView[];
  nowMs(): number;
  status(): StatusView;
  /** Begins to end the daemon. */
  stop(): void;
}

export function controlMethods(daemon: Controlled): Methods {
  const { router } = daemon;
  return {
    status: () => daemon.status(),
    paths: () => {
      const views = pathViews(router, daemon.nowMs());
      return [...views, ...daemon.missingPaths(views)];
    },
    peers: () => peerViews(router, daemon.peers(), daemon.nowMs()),
    availability: () => router.availability.snapshot(daemon.nowMs()),
    sessions: (params) => {
      const { limit, peer } = sessionsParams(params);
      if (peer !== undefined) checkPeer(peer, peerViews(router, daemon.peers(), daemon.nowMs()));
      return sessionsView(router, daemon.nowMs(), limit, peer);
    },
    stop: () => {
      daemon.stop();
      return { stopping: true };
    },
  };
}

function checkPeer(peer: string, views: readonly PeerView[]): void {
  const names = views.map(({ name }) => name);
  if (names.includes(peer)) return;
  const known = names.length === 0 ? "there are none" : `there are ${names.join(", ")}`;
  throw new RpcError(INVALID_PARAMS, `there is no peer ${peer}; ${known}`);
}

function sessionsParams({ limit = SESSIONS_DEFAULT, peer }: Params): {
  limit: number;
  peer: string | undefined;
} {
  if (!Number.isInteger(limit) || (limit as number) < 0 || (limit as number) > SESSIONS_MAX) {
    throw new RpcError(INVALID_PARAMS, `limit is a whole number from 0 to ${SESSIONS_MAX}`);
  }
  if (peer !== undefined && typeof peer !== "string") throw new RpcError(INVALID_PARAMS, "peer is a name");
  return { limit: limit as number, peer };
}
