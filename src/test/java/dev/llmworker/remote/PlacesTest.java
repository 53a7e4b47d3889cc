package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.assembly.Engines;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.generation.Readiness;
import dev.llmworker.generation.RelayEvent;
import dev.llmworker.settings.Settings;
import dev.llmworker.stats.WorkerStats;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.ChatEvents;
import dev.llmworker.testing.RemoteExtension;
import io.vertx.core.Vertx;
import io.vertx.core.impl.VertxInternal;
import java.time.Duration;
import java.util.AbstractMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Whatever throws on the way to a server, its place there is given back.
class PlacesTest {
    @RegisterExtension
    final RemoteExtension remote = new RemoteExtension(Map.of("ENGINE_CONNECTIONS", "1"));

    /// A request's body that throws when it is touched the nth time.
    private static final class FragileBody extends AbstractMap<String, Object> {
        private final Map<String, Object> fields;
        private int touches;

        FragileBody(Map<String, Object> fields, int touches) {
            this.fields = fields;
            this.touches = touches;
        }

        private void touch() {
            if (touches-- == 0) {
                throw new IllegalStateException("touched");
            }
        }

        @Override
        public @Nullable Object get(@Nullable Object name) {
            touch();
            return fields.get(name);
        }

        @Override
        public Set<Entry<String, Object>> entrySet() {
            touch();
            return fields.entrySet();
        }
    }

    /// What no JSON can be written of.
    public static final class Unwritable {
        public int getValue() {
            throw new IllegalStateException("written");
        }
    }

    private void answers() {
        remote.server().answers((_, wire) -> {
            wire.stream()
                    .event(ChatEvents.of("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}"));
            wire.event("[DONE]");
            wire.raw("0\r\n\r\n");
        });
    }

    private void relay(Map<?, ?> body) {
        try (var answer = remote.generator().relay(new OpenAiRequest(OpenAiRequest.Form.CHAT, body, ""))) {
            answer.awaitAccepted();
            for (var event : answer) {
                if (event instanceof GenerationEvent.Finished) {
                    return;
                }
            }
        }
    }

    @Test
    void aBodyThatThrowsAtAnyTouchTakesNoPlace() {
        answers();
        var touches = 0;
        var body = new FragileBody(Map.of("messages", List.of()), touches);
        while (true) {
            try {
                relay(body);
                break;
            } catch (IllegalStateException _) {
                remote.assertIdle();
                touches++;
                body = new FragileBody(Map.of("messages", List.of()), touches);
            }
        }
        assertTrue(touches > 2, "it threw " + touches + " times");
    }

    @Test
    void aRequestThatCannotBeWrittenGivesItsPlaceBack() {
        answers();
        for (var i = 0; i < 3; i++) {
            assertThrows(IllegalStateException.class, () -> relay(Map.of("messages", new Unwritable())));
            remote.assertIdle();
        }
        relay(Map.of("messages", List.of()));
    }

    /// Throws when it is made, or when it reads.
    private static final class FragileReader extends AnswerReader<RelayEvent> {
        FragileReader() {
            super(1);
        }

        @Override
        void emit(JsonNode event, String data, Consumer<RelayEvent> events) {
            throw new IllegalStateException("read");
        }
    }

    private static Supplier<AnswerReader<RelayEvent>> fragile(int madeBefore) {
        var made = new int[1];
        return () -> {
            if (made[0]++ == madeBefore) {
                throw new OutOfMemoryError("made");
            }
            return new FragileReader();
        };
    }

    @Test
    void aReaderThatCannotBeMadeOrThrowsGivesThePlaceBack() throws Exception {
        answers();
        var vertx = Vertx.vertx();
        try {
            for (var madeBefore : new int[] {1, 2}) {
                var server =
                        new RemoteServer(ServerAddress.parse(remote.server().url()), System::nanoTime);
                server.healthy("m");
                var servers = new RemoteServers(1);
                servers.add(server);
                var eventLoop = new RemoteGenerator.EventLoop(
                        ((VertxInternal) vertx).createEventLoopContext(), vertx.createHttpClient());
                var question = ApiRequest.of(new OpenAiRequest(OpenAiRequest.Form.CHAT, Map.of(), ""));
                var answer = new RemoteAnswer<RelayEvent>(
                        servers, eventLoop, question, null, finished -> finished, fragile(madeBefore), _ -> {});
                answer.start(Objects.requireNonNull(servers.take(List.of())), Duration.ofMinutes(5));
                var last = answer.iterator();
                while (last.hasNext()) {
                    last.next();
                }
                Await.until("the place is free", () -> server.outstanding() == 0);
            }
        } finally {
            vertx.close().toCompletionStage().toCompletableFuture().get();
        }
    }

    @Test
    void countsAreBoundedBeforeTheySizeAnything() throws Exception {
        for (var fields : List.of(
                "\"n\":2147483647",
                "\"n\":17",
                "\"n\":0",
                "\"n\":-1",
                "\"n\":1.5",
                "\"n\":\"2\"",
                "\"n\":99999999999999999999",
                "\"best_of\":2147483647",
                "\"n\":16,\"best_of\":17")) {
            var answer = remote.worker().post("/v1/completions", "{\"prompt\":[\"a\",\"b\"]," + fields + "}");
            assertEquals(400, answer.statusCode(), fields + answer.body());
        }
        var prompts = "\"a\",".repeat(100) + "\"a\"";
        assertEquals(
                400,
                remote.worker()
                        .post("/v1/completions", "{\"prompt\":[" + prompts + "],\"n\":16,\"stream\":true}")
                        .statusCode());
    }

    @Test
    void anIndexBeyondTheChoicesIsNoAnswer() throws Exception {
        for (var index : new String[] {"1", "2147483647", "-1"}) {
            remote.server()
                    .answers((_, wire) -> wire.stream()
                            .event(ChatEvents.of("{\"index\":" + index
                                    + ",\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}")));
            assertEquals(
                    502,
                    remote.worker()
                            .post("/v1/chat/completions", "{\"messages\":[]}")
                            .statusCode(),
                    index);
        }
    }

    /// A server that is ready, and an answer of it on an event loop that has ended.
    @Test
    void anAnswerThatCannotBeginGivesItsPlaceBack() throws Exception {
        var vertx = Vertx.vertx();
        var server = new RemoteServer(ServerAddress.parse(remote.server().url()), System::nanoTime);
        server.healthy("m");
        var servers = new RemoteServers(1);
        servers.add(server);
        var eventLoop = new RemoteGenerator.EventLoop(
                ((VertxInternal) vertx).createEventLoopContext(), vertx.createHttpClient());
        var answer = new RemoteAnswer<RelayEvent>(
                servers,
                eventLoop,
                ApiRequest.of(new OpenAiRequest(OpenAiRequest.Form.CHAT, Map.of(), "")),
                null,
                finished -> finished,
                FragileReader::new,
                _ -> {});
        vertx.close().toCompletionStage().toCompletableFuture().get();
        var place = Objects.requireNonNull(servers.take(List.of()));
        assertThrows(RejectedExecutionException.class, () -> answer.start(place, Duration.ofMinutes(5)));
        assertEquals(0, server.outstanding());
    }

    @Test
    void anAnswerThatCannotBeginIsNotAmongThoseThatRun() throws Exception {
        var vertx = Vertx.vertx();
        var generator = (RemoteGenerator) Engines.start(
                Settings.read(Map.of(
                        "ENGINE", "openai", "ENGINE_BASE_URL", remote.server().url())),
                vertx,
                new WorkerStats());
        Await.until("it is ready", () -> generator.readiness() instanceof Readiness.Ready);
        vertx.close().toCompletionStage().toCompletableFuture().get();
        assertThrows(
                RejectedExecutionException.class,
                () -> generator.relay(new OpenAiRequest(OpenAiRequest.Form.CHAT, Map.of(), "")));
        assertEquals(List.of(0), generator.outstanding());
        // It would end those that run, on the event loop that has ended.
        generator.close();
    }
}
