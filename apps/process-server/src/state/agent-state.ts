import type { ProxySettings } from '../transport/proxy-settings-file.js';

/** How the configuration server is reached and convinced. Files are named by absolute paths. */
export interface Connection {
  /** Origin of the configuration server, e.g. `https://cs.example.net:443`. */
  readonly url: string;
  readonly caFile: string | null;
  readonly passphraseFile: string | null;
  readonly enrolmentFile: string | null;
  /** SHA-256 (hex) of a certificate that is trusted without an authority, from the enrolment file. */
  readonly certificateSha256: string | null;
  /** A copy of the settings, because their file may be deleted after the installation. */
  readonly proxy: ProxySettings | null;
}

/** What the operator says of the machine; null: found out at each registration. */
export interface MachineSettings {
  readonly name: string | null;
  readonly ipAddress: string | null;
  readonly dataPort: number;
  readonly environment: 'VMware' | 'NonVMware';
  readonly installLocation: string;
  readonly services: readonly string[];
  readonly certificateFile: string | null;
  readonly machineIdFile: string | null;
}

export interface Registration {
  readonly generation: number;
  readonly credential: string;
  /** As assigned last. */
  readonly intervalSeconds: number;
  readonly leaseSeconds: number;
  /** RFC 3339. */
  readonly registeredAt: string;
}

/** The operator's wish to leave, kept until the configuration server has accepted it. */
export interface UnregisterWish {
  /** RFC 3339. */
  readonly since: string;
  /** Forces the removal; null without force. */
  readonly forceReason: string | null;
}

/** Why the agent sends no more heartbeats until a person acts. */
export interface Ending {
  readonly kind: 'decommissioned' | 'stopped';
  /** The problem code, or `unregistered`. */
  readonly code: string;
  readonly message: string;
  /** RFC 3339. */
  readonly at: string;
  /** When the entry is gone at the latest, RFC 3339; null if unknown. */
  readonly removeBy: string | null;
}

/** Everything that must survive a restart. */
export interface AgentState {
  readonly hostId: string;
  /** Identity of the machine that made this state. */
  readonly machineId: string;
  readonly connection: Connection;
  readonly machine: MachineSettings;
  /** Null before the first registration. */
  readonly registration: Registration | null;
  /** A registration was sent and its response is not stored: it must be repeated, because the credential may have been replaced. */
  readonly isRegistering: boolean;
  readonly unregisterWish: UnregisterWish | null;
  readonly ending: Ending | null;
}
