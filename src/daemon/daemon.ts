import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { needsRestart, withoutRestart } from "../config/diff.ts";
import { type Config, ConfigError } from "../config/parse.ts";
import { formatNodeId } from "../config/values.ts";
import { controlPath } from "../control/path.ts";
import { ControlServer } from "../control/server.ts";
import { pathViews, peerViews } from "../control/views.ts";
import type { PeerSpec } from "../core/router/router.ts";
import { HostError } from "../host/error.ts";
import { Host, type HostFailures, sweepHost } from "../host/host.ts";
import { Journal } from "../host/journal.ts";
import type { RealHostState } from "../host/state.ts";
import { nowUs } from "../io/clock.ts";
import { IoError } from "../io/error.ts";
import { ConfigFile } from "./config-file.ts";
import { hostProblems } from "./host-problems.ts";
import { LinePolicies } from "./line-policies.ts";
import { controlMethods } from "./methods.ts";
import { missingPaths } from "./missing-paths.ts";
import { NetworkWatch } from "./network-watch.ts";
import { Node } from "./node.ts";
import { defaultNodeId } from "./node-id.ts";
import { PathWatch } from "./path-watch.ts";
import { PutBack } from "./put-back.ts";
import { hasNames, Resolver } from "./resolver.ts";
import { peersOf, statusView } from "./status.ts";

const LOOK_INTERVAL_MS = 1000;
/** Changes that come so close together are made at once. */
const REAL_PAUSE_MS = 10;
/** How often names are resolved anew, while a peer with names is not reached or nothing is known of one. */
const RESOLVE_INTERVAL_MS = 30_000;

export interface DaemonOptions {
  readonly configPath: string;
  /** For the control socket and the journal. */
  readonly runDirectory: string;
  /** For what is kept from start to start. */
  readonly stateDirectory: string;
  readonly version: string;
  readonly log: Logger;
}

/** A running node, what the host needs for it, and the file that says how it is to be. */
export class Daemon {
  /** When everything is undone. */
  readonly ended: Promise<void>;
  /** Whether it has ended because it could not go on. */
  failed = false;
  private readonly options: DaemonOptions;
  private readonly log: Logger;
  private readonly node: Node;
  private readonly host: Host;
  private readonly policies: LinePolicies;
  private readonly file: ConfigFile;
  private readonly resolver: Resolver;
  private readonly watch: PathWatch;
  private readonly putBack: PutBack;
  private readonly startedMs = nowMs();
  private readonly markEnded: () => void;
  private config: Config;
  private configError: string | undefined;
  private peers: readonly PeerSpec[] = [];
  private resolvedMs = Number.NEGATIVE_INFINITY;
  private control: ControlServer | undefined;
  private timer: NodeJS.Timeout | undefined;
  private network: NetworkWatch | undefined;
  private changing: Promise<void> = Promise.resolve();
  private stopping: Promise<void> | undefined;
  private real: RealHostState | undefined;
  private realTimer: NodeJS.Timeout | undefined;

  /** Throws what cannot be had, with everything undone. */
  static async start(options: DaemonOptions, config: Config): Promise<Daemon> {
    const { log, runDirectory, stateDirectory } = options;
    const socketPath = controlPath(runDirectory, config.tun.name);
    const journal = new Journal(runDirectory, config.tun.name);
    if (await sweepHost(journal)) log.info("removed what a daemon that was killed had left");
    journal.write([]);
    const policies = new LinePolicies(stateDirectory, log);
    policies.setConfig(config);
    let node: Node;
    try {
      node = Node.open(config, config.node ?? defaultNodeId(stateDirectory), policies, log);
    } catch (error) {
      journal.remove();
      throw error;
    }
    const daemon = new Daemon(options, config, node, new Host(config.tun.name, journal), policies);
    try {
      await daemon.begin(socketPath);
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return daemon;
  }

  private constructor(
    options: DaemonOptions,
    config: Config,
    node: Node,
    host: Host,
    policies: LinePolicies,
  ) {
    const { log, configPath } = options;
    let markEnded = () => {};
    this.ended = new Promise((resolve) => {
      markEnded = resolve;
    });
    this.markEnded = markEnded;
    this.options = options;
    this.config = config;
    this.log = log;
    this.node = node;
    this.host = host;
    this.policies = policies;
    this.file = new ConfigFile(configPath);
    this.resolver = new Resolver(log);
    this.watch = new PathWatch(log);
    this.putBack = new PutBack(config.tun.name, log);
    node.onResized = () => void this.change(() => this.followHost());
  }

  /** Undoes everything. */
  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  /** Reads the file anew; where it is wrong, what was there stays. */
  reload(): Promise<void> {
    return this.change(async () => {
      const read = this.file.read();
      if (read instanceof ConfigError) {
        this.refuse(read);
        return;
      }
      const wanted = withoutRestart(this.config, read);
      const peers = await this.resolver.resolve(wanted.peers, wanted.port);
      if (this.stopping !== undefined) return;
      this.node.setConfigs(this.config, wanted);
      const failures = this.report(await this.applyHost(wanted));
      if (this.stopping !== undefined) return;
      const refused = failures.refused.filter(({ isOfLine }) => !isOfLine);
      if (refused.length > 0) {
        this.node.setConfigs(this.config);
        await this.followHost();
        this.refuse(this.file.error(hostProblems(wanted, refused)));
        return;
      }
      this.configError = undefined;
      const fixed = needsRestart(this.config, read);
      if (fixed.length > 0) this.log.warn(`${fixed.join(", ")}: a change has an effect after a restart only`);
      const rulesDiffer = !isDeepStrictEqual(wanted.rules, this.config.rules);
      this.config = wanted;
      this.setPeers(peers);
      if (rulesDiffer) this.node.router.setRules(wanted.rules);
      this.log.level = wanted.log;
      this.policies.setConfig(wanted);
      this.node.setConfigs(wanted);
      this.node.followInterfaces(wanted);
      this.countQuotas();
      this.node.followPolicies();
      this.setReal();
      await this.followHost();
      this.log.info(`${this.file.path}: read and in use`);
    });
  }

  private refuse({ message, lines }: ConfigError): void {
    this.configError = message;
    for (const line of lines) this.log.error(line);
    this.log.error("the configuration stays as it was");
  }

  private async begin(socketPath: string): Promise<void> {
    const { config, node } = this;
    const { name, id, router, tun, mtu } = node;
    router.setRules(config.rules);
    this.countQuotas();
    node.start();
    // Before a route for everything leads into the tunnel, which may be where the name server is not.
    await this.resolve();
    const { refused } = this.report(await this.applyHost(config, []));
    if (refused.length > 0) throw this.file.error(hostProblems(config, refused));
    this.setReal();
    // Without what is done for the lines, those that need nothing work all the same.
    await this.followHost();
    const methods = controlMethods({
      router,
      peers: () => peersOf(this.config),
      missingPaths: (views) =>
        missingPaths(this.config, this.peers, this.node.sockets.addresses, router, views, (host) =>
          this.resolver.isUnresolved(host),
        ),
      nowMs,
      status: () => this.status(),
      stop: () => void this.stop(),
    });
    this.control = await ControlServer.listen(socketPath, methods);
    this.timer = setInterval(() => this.look(), LOOK_INTERVAL_MS);
    this.network = new NetworkWatch(() => this.followNetwork(), this.log);
    this.log.info(`${name} is up: node ${formatNodeId(id)}, ${tun.name} with MTU ${mtu}`);
  }

  private async end(): Promise<void> {
    clearInterval(this.timer);
    clearTimeout(this.realTimer);
    this.network?.close();
    this.node.close();
    this.policies.close();
    for (const failure of await this.host.undo()) this.log.warn(`cannot undo: ${failure}`);
    this.control?.close();
    this.log.info(`${this.node.name} is down: all that it had set up is undone`);
    this.markEnded();
  }

  /** Once a second: has anything around us changed? */
  private look(): void {
    if (this.node.isGone()) {
      this.log.error(`${this.node.tun.name} was deleted; ending`);
      this.failed = true;
      void this.stop();
      return;
    }
    const { router } = this.node;
    const peers = peerViews(router, peersOf(this.config), nowMs());
    this.watch.note(pathViews(router, nowMs()), peers);
    if (this.file.pollChanged()) void this.reload();
    if (this.countQuotas()) this.node.followPolicies();
    if (this.host.lacksSetting()) this.followNetwork();
    const isLost = (name: string) => !peers.some((peer) => peer.name === name && peer.state === "up");
    const mayHaveMoved = this.config.peers.some(
      (peer) =>
        (hasNames(peer) && isLost(peer.name)) ||
        peer.endpoints.some(({ host }) => this.resolver.isUnresolved(host)),
    );
    // Name servers may take long to answer, and no other change waits for them.
    if (mayHaveMoved && nowMs() - this.resolvedMs > RESOLVE_INTERVAL_MS) void this.resolve();
  }

  private countQuotas(): boolean {
    return this.policies.count(this.node.sockets.addresses);
  }

  private followNetwork(): void {
    const haveChanged = this.node.followInterfaces(this.config);
    void this.change(async () => {
      const isToPutBack = this.putBack.isDue(this.host.missing(), nowMs());
      // With too small a one the kernel has taken away all IPv6.
      if (isToPutBack) this.node.restoreMtu();
      if (haveChanged || isToPutBack) await this.followHost();
    });
  }

  /** One change after the other, and none once the daemon is ending. */
  private change(work: () => Promise<void>): Promise<void> {
    this.changing = this.changing.then(async () => {
      if (this.stopping !== undefined) return;
      try {
        await work();
      } catch (error) {
        if (!(error instanceof HostError || error instanceof IoError)) throw error;
        this.log.error(error.message);
      }
    });
    return this.changing;
  }

  private async resolve(): Promise<void> {
    this.resolvedMs = nowMs();
    const { config } = this;
    const peers = await this.resolver.resolve(config.peers, config.port);
    // Those of another configuration have been resolved when it was read.
    if (this.stopping === undefined && config === this.config) this.setPeers(peers);
  }

  private setPeers(peers: readonly PeerSpec[]): void {
    if (isDeepStrictEqual(peers, this.peers)) return;
    this.peers = peers;
    this.node.setPeers(peers);
  }

  private async followHost(): Promise<void> {
    for (const { reason } of this.report(await this.applyHost()).refused) this.log.error(reason);
  }

  /** What is left behind does no harm to anything else. */
  private report(failures: HostFailures): HostFailures {
    for (const { reason } of failures.left) this.log.error(reason);
    return failures;
  }

  private applyHost(config = this.config, lines = this.node.lines): Promise<HostFailures> {
    const { tun, peers, forward, exit, dns, port } = config;
    return this.host.apply({
      tun: tun.name,
      mtu: this.node.mtu,
      addresses: tun.address,
      routes: peers.flatMap(({ routes }) => routes),
      forward,
      exit,
      dns,
      port,
      lines,
      real: this.realHostState(config),
    });
  }

  private realHostState({ realAddresses } = this.config): RealHostState | undefined {
    if (realAddresses === false) return undefined;
    const destinations = realAddresses === true ? undefined : realAddresses;
    const families = [...new Set(this.node.sockets.addresses.map(({ family }) => family))].sort();
    return { destinations, families, ...this.node.router.realState() };
  }

  /** After what goes to real addresses, or what becomes of it, may have changed. */
  private followReal(): void {
    if (this.realTimer !== undefined) return;
    this.realTimer = setTimeout(() => {
      this.realTimer = undefined;
      const state = this.realHostState();
      if (isDeepStrictEqual(state, this.real)) return;
      this.real = state;
      void this.change(() => this.followHost());
    }, REAL_PAUSE_MS);
  }

  private setReal(): void {
    const { realAddresses, port } = this.config;
    this.node.setRealAddresses(realAddresses === false ? 0 : port, () => this.followReal());
  }

  private status() {
    const { config, configError, node, options } = this;
    return statusView({
      version: options.version,
      uptimeMs: nowMs() - this.startedMs,
      configPath: options.configPath,
      config,
      configError,
      node,
      quotas: this.policies.quotaViews(),
      nowMs: nowMs(),
    });
  }
}

function nowMs(): number {
  return nowUs() / 1000;
}
