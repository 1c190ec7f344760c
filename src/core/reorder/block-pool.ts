export interface PoolSpec {
  readonly blockBytes: number;
  readonly blocks: number;
}

/** Blocks of one size, numbered from `first` on. The one that was free for the shortest time is used first: few are touched. */
export class BlockPool {
  readonly blockBytes: number;
  private readonly free: Int32Array;
  private freeCount: number;
  /** Released and not yet recycled: free[freeCount] … free[freeCount + released - 1]. */
  private released = 0;

  constructor({ blockBytes, blocks }: PoolSpec, first: number) {
    this.blockBytes = blockBytes;
    this.free = Int32Array.from({ length: blocks }, (_, i) => first + i);
    this.freeCount = blocks;
  }

  /** Blocks that are in use. */
  get taken(): number {
    return this.free.length - this.freeCount - this.released;
  }

  get hasRoom(): boolean {
    return this.freeCount > 0;
  }

  /** Takes the last of the free blocks, and closes the gap in front of the released ones. */
  take(): number {
    const top = --this.freeCount;
    const block = this.free[top]!;
    if (this.released > 0) this.free[top] = this.free[top + this.released]!;
    return block;
  }

  release(block: number): void {
    this.free[this.freeCount + this.released] = block;
    this.released++;
  }

  /** What has been released may be used again. */
  recycle(): void {
    this.freeCount += this.released;
    this.released = 0;
  }
}
