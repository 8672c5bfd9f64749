/** Every module with procedures: whoever runs them by name imports this. */
import './accept/accept.ts';
import './alerts.ts';
import './answers.ts';
import './chain/seal.ts';
import './claim.ts';
import './deliveries.ts';
import './facts.ts';
import './health.ts';
import './heartbeats.ts';
import './held.ts';
import './posted.ts';
import './quieted.ts';
import './redelivery.ts';
import './retention.ts';
import './sends.ts';
import './state.ts';
import './tokens.ts';
