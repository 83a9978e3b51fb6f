export class FieldError {
  /** @example 'dataPort' */
  readonly field!: string;
  /** @example 'dataPort must not be greater than 65535' */
  readonly message!: string;
}

/** RFC 9457, as application/problem+json. */
export class ProblemResponse {
  /** @example 'urn:configuration-server:problem:validation_failed' */
  readonly type!: string;
  readonly title!: string;
  /** The HTTP status. */
  readonly status!: number;
  /** For people: this very case. */
  readonly detail!: string;
  /** Stable. */
  readonly code!: string;
  /** The same as the header x-request-id. */
  readonly requestId!: string;
  /** What a process server is to do; absent where the caller is none. Unknown ones mean `retry`. */
  readonly instruction?: 'stop' | 'reregister' | 'ask_operator' | 'upgrade' | 'retry';
  /** With `heartbeat_rate_exceeded`: the interval to keep, in seconds. */
  readonly heartbeatIntervalSeconds?: number;
  /** Which fields, where fields are the trouble; the first 20. */
  readonly errors?: FieldError[];
}
