package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.broker.BrokerService;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `routes/examples/queue.camel.yaml` with a real broker.
class QueueExampleTest {
    private static final long TIMEOUT_MILLIS = TimeUnit.SECONDS.toMillis(TestSocket.TIMEOUT_SECONDS);

    private static BrokerService broker() throws Exception {
        var broker = new BrokerService();
        broker.setPersistent(false);
        broker.setUseJmx(false);
        broker.setUseShutdownHook(false);
        broker.addConnector("tcp://127.0.0.1:0");
        broker.start();
        broker.waitUntilStarted();
        return broker;
    }

    @Test
    void aMessageIsAnsweredAndOneThatFailsIsTriedAgain(@TempDir Path folder) throws Exception {
        var broker = broker();
        var url = broker.getTransportConnectors().getFirst().getPublishableConnectString();
        System.setProperty("BROKER_URL", url);
        var engine = new ScriptedGenerator();
        try (var _ = RunningWorker.with(engine, RouteFolder.in(folder, "queue").path());
                var connection = new ActiveMQConnectionFactory(url).createConnection();
                var session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE)) {
            connection.start();
            var answers = session.createConsumer(session.createQueue("answers"));
            var question = session.createTextMessage("Why is the sky blue?");
            question.setJMSCorrelationID("q-7");
            // A name that would steer the step, from a client of the broker.
            question.setObjectProperty("CamelLlmMaxTokens", 1);
            question.setObjectProperty("CAmelLlmTemperature", 2);
            question.setObjectProperty("camelllmmaxtokens", 1);
            session.createProducer(session.createQueue("questions")).send(question);

            engine.next().finish(FinishReason.ERROR);
            var again = engine.next();
            assertEquals("Why is the sky blue?", again.prompt());
            assertEquals(200, again.request.tokenLimit());
            assertEquals(
                    GenerationRequest.DEFAULT_TEMPERATURE,
                    again.request.sampling().temperature());
            again.emit("Because.").finish(FinishReason.STOP);
            var answer = answers.receive(TIMEOUT_MILLIS);
            assertNotNull(answer, "no answer came");
            assertEquals("Because.", ((TextMessage) answer).getText());
            assertEquals("q-7", answer.getJMSCorrelationID());
        } finally {
            System.clearProperty("BROKER_URL");
            broker.stop();
            broker.waitUntilStopped();
        }
    }
}
