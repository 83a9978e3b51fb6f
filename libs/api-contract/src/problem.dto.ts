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
  /** Human-readable explanation of this occurrence. */
  readonly detail!: string;
  /** Stable problem code. */
  readonly code!: string;
  /** The same as the header x-request-id. */
  readonly requestId!: string;
  /** What the process server must do; absent for other callers. An unknown instruction means `retry`. */
  readonly instruction?: 'stop' | 'reregister' | 'ask_operator' | 'upgrade' | 'retry';
  /** With `heartbeat_rate_exceeded`: the assigned interval, in seconds. */
  readonly heartbeatIntervalSeconds?: number;
  /** Invalid fields, the first 20. */
  readonly errors?: FieldError[];
}
