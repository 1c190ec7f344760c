/** UDP (RFC 768), by offset from the header's start. */
export const UDP_BYTES = 8;
export const UDP_SOURCE = 0;
export const UDP_DESTINATION = 2;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;
