/** TCP (RFC 9293), by offset from the header's start. `tcpHeaderBytes` checks the lengths once. */
export const TCP_MIN_BYTES = 20;
export const TCP_SOURCE = 0;
export const TCP_DESTINATION = 2;
export const TCP_SEQUENCE = 4;
export const TCP_ACKNOWLEDGEMENT = 8;
export const TCP_DATA_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_WINDOW = 14;
export const TCP_CHECKSUM = 16;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_ECE = 0x40;
export const TCP_CWR = 0x80;

/** The length of the header at `at`, or 0 where `length` bytes hold no valid one. */
export function tcpHeaderBytes(view: DataView, at: number, length: number): number {
  if (length < TCP_MIN_BYTES) return 0;
  const headerBytes = (view.getUint8(at + TCP_DATA_OFFSET) >> 4) << 2;
  return headerBytes < TCP_MIN_BYTES || headerBytes > length ? 0 : headerBytes;
}
