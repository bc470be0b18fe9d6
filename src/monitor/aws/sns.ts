import { hideCredentials } from '../../core/aws/known-credentials.js';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { encryptedOnly, ENCRYPTED_ONLY } from '../../core/aws/encrypted-only.js';
import { clientOptions, explainFailure } from './client.js';

/** Longest subject, by SNS's own limit. */
const LONGEST_SUBJECT = 100;

/**
 * Publishes one message to a topic.
 *
 * @param topic its ARN, which names its region
 * @param insecure as that of MonitorSettings
 * @throws Error in words for an operator
 */
export async function publish(
  topic: string,
  subject: string,
  text: string,
  insecure = false,
): Promise<void> {
  const region = topic.split(':')[3];
  const client = new SNSClient(
    clientOptions({ insecure, ...(region !== undefined && { region }) }),
  );
  hideCredentials(client);
  if (!insecure) client.middlewareStack.add(encryptedOnly('SNS'), ENCRYPTED_ONLY);
  try {
    await client.send(
      new PublishCommand({
        TopicArn: topic,
        Subject: subject.slice(0, LONGEST_SUBJECT),
        Message: text,
      }),
    );
  } catch (error) {
    throw new Error(explainFailure(error, 'SNS', 'sns:Publish'), { cause: error });
  } finally {
    client.destroy();
  }
}
