package dev.llmworker.serving.openai;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.ScriptedGenerator.Script;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Several choices and prompts in one request of OpenAI's API.
@Timeout(180)
class ChoicesTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private CompletableFuture<HttpResponse<String>> post(String path, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(path)
                        .POST(HttpRequest.BodyPublishers.ofString(body.replace('\'', '"')))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private static String chat(String more) {
        return "{'messages':[{'role':'user','content':'hi'}]" + more + "}";
    }

    private static String text(Script script) {
        return ((Prompt.Raw) script.request.prompt()).text();
    }

    @Test
    void choicesComeInTheirOrderAndThePromptCountsOnce() throws Exception {
        var answer = post(CHAT, chat(",'n':3"));
        var first = engine.next().emit("a");
        var others = List.of(engine.next(), engine.next());
        others.forEach(script -> script.emit("b").emit("c").finish(FinishReason.LENGTH));
        first.finish(FinishReason.STOP);
        var body = Events.json(answer.join().body());
        var choices = body.get("choices");
        assertEquals(3, choices.size());
        for (var index = 0; index < 3; index++) {
            var choice = choices.get(index);
            assertEquals(index, choice.get("index").asInt());
            assertEquals(index == 0 ? "a" : "bc", choice.at("/message/content").asText());
            assertEquals(
                    index == 0 ? "stop" : "length", choice.get("finish_reason").asText());
        }
        assertEquals(3, body.at("/usage/prompt_tokens").asInt());
        assertEquals(5, body.at("/usage/completion_tokens").asInt());
        assertEquals(8, body.at("/usage/total_tokens").asInt());
        assertEquals(1, worker.stats.requests(), "it is one request");
        Await.until("nothing runs", () -> worker.stats.runningGenerations() == 0);
    }

    @Test
    void streamedChoicesHaveTheirIndexAndOneEndOfAll() throws Exception {
        var response = Events.open(
                worker,
                CHAT,
                chat(",'n':2,'stream':true,'stream_options':{'include_usage':true}")
                        .replace('\'', '"'));
        var first = engine.next().emit("a");
        var second = engine.next().emit("b");
        first.emit("c").finish(FinishReason.STOP);
        second.finish(FinishReason.LENGTH);
        var data = Events.data(response);
        assertEquals("[DONE]", data.removeLast());
        var usage = Events.json(data.removeLast());
        assertEquals(0, usage.get("choices").size());
        assertEquals(3, usage.at("/usage/prompt_tokens").asInt());
        assertEquals(3, usage.at("/usage/completion_tokens").asInt());
        Map<Integer, String> texts = new TreeMap<>();
        Map<Integer, String> reasons = new TreeMap<>();
        for (var event : data) {
            var choice = Events.json(event).get("choices").get(0);
            var index = choice.get("index").asInt();
            if (!texts.containsKey(index)) {
                assertEquals("assistant", choice.at("/delta/role").asText(), "each begins with its role");
            }
            texts.merge(index, choice.at("/delta/content").asText(), String::concat);
            if (!choice.get("finish_reason").isNull()) {
                reasons.put(index, choice.get("finish_reason").asText());
            }
        }
        assertEquals(Map.of(0, "ac", 1, "b"), texts);
        assertEquals(Map.of(0, "stop", 1, "length"), reasons);
    }

    @Test
    void eachPromptGetsItsChoices() throws Exception {
        var answer = post(TEXT, "{'prompt':['A','B'],'n':2,'logprobs':0,'seed':7}");
        var seeds = new TreeMap<String, List<Long>>();
        for (var i = 0; i < 4; i++) {
            var script = engine.next();
            seeds.computeIfAbsent(text(script), _ -> new ArrayList<>())
                    .add(script.request.sampling().seed());
            script.emit(text(script).toLowerCase()).finish(FinishReason.STOP);
        }
        assertEquals(seeds.get("A"), seeds.get("B"), "with a seed a prompt's choices are what they are alone");
        var ofA = requireNonNull(seeds.get("A"));
        assertEquals(2, ofA.stream().distinct().count());
        assertEquals(7, ofA.getFirst());
        var body = Events.json(answer.join().body());
        assertEquals(
                List.of("a", "a", "b", "b"),
                IntStream.range(0, 4)
                        .mapToObj(i -> body.get("choices").get(i).get("text").asText())
                        .toList());
        assertEquals(6, body.at("/usage/prompt_tokens").asInt());
        assertEquals(4, body.at("/usage/completion_tokens").asInt());
    }

    @Test
    void theSeedDecidesTheSeedsOfAllChoices() throws Exception {
        var runs = new ArrayList<List<Long>>();
        for (var body : List.of(chat(",'n':3,'seed':5"), chat(",'n':3,'seed':5"), chat(",'n':3"))) {
            var answer = post(CHAT, body);
            var seeds = new TreeMap<Long, Integer>();
            for (var i = 0; i < 3; i++) {
                var script = engine.next();
                seeds.put(script.request.sampling().seed(), i);
                script.emit("x").finish(FinishReason.STOP);
            }
            assertEquals(200, answer.join().statusCode());
            assertEquals(3, seeds.size(), "each has its own");
            runs.add(List.copyOf(seeds.keySet()));
        }
        assertEquals(runs.get(0), runs.get(1));
        assertNotEquals(runs.get(0), runs.get(2));
    }

    @Test
    void theOthersBeginAfterTheFirstToken() throws Exception {
        var answer = post(CHAT, chat(",'n':2"));
        var first = engine.next();
        Await.until("the first choice is read", () -> worker.stats.requests() == 1);
        assertTrue(engine.hasNone(), "the prompt is not cached yet");
        first.emit("a");
        engine.next().finish(FinishReason.STOP);
        first.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
    }

    @Test
    void aClientThatLeavesEndsAllChoices() throws Exception {
        var response = Events.open(worker, CHAT, chat(",'n':2,'stream':true").replace('\'', '"'));
        var first = engine.next();
        first.emit("a");
        var second = engine.next();
        response.body().close();
        first.awaitClosed();
        second.awaitClosed();
    }

    @Test
    void aChoiceThatFailsEndsAllAndIsTheAnswer() throws Exception {
        var answer = post(CHAT, chat(",'n':3"));
        var first = engine.next();
        engine.refusal = new RefusedException(RefusedException.Reason.FAILED, "engine_failed", "it broke");
        first.emit("a");
        first.awaitClosed();
        assertEquals(503, answer.join().statusCode());
        assertTrue(answer.join().body().contains("it broke"), answer.join().body());
        engine.refusal = null;
        var streamed = Events.open(worker, CHAT, chat(",'n':2,'stream':true").replace('\'', '"'));
        var one = engine.next().emit("a");
        engine.next().finish(FinishReason.ERROR);
        one.awaitClosed();
        var data = Events.data(streamed);
        assertTrue(data.getLast().contains("\"error\""), data.toString());
        Await.until("nothing runs", () -> worker.stats.runningGenerations() == 0);
    }

    @Test
    void aDeadlineEndsAllChoicesByTheirLength() throws Exception {
        var prompts = String.join(",", Collections.nCopies(20, "'x'"));
        var answer = post(TEXT, "{'prompt':[" + prompts + "]}");
        var running = new ArrayList<Script>();
        for (var i = 0; i < 16; i++) {
            running.add(engine.next());
        }
        assertTrue(engine.hasNone(), "more are not under way at once");
        running.getFirst().emit("a").finish(FinishReason.STOP);
        running.set(0, engine.next());
        running.forEach(script -> script.finish(FinishReason.TIMEOUT));
        var body = Events.json(answer.join().body());
        assertEquals(20, body.get("choices").size());
        assertEquals("stop", body.at("/choices/0/finish_reason").asText());
        assertEquals("length", body.at("/choices/19/finish_reason").asText());
    }

    @Test
    void theNumberOfChoicesIsBounded() throws Exception {
        for (var body : Map.of(
                        "'n':17", "n is 17; it must be a whole number from 1 to 16",
                        "'n':0", "n is 0; it must be a whole number from 1 to 16",
                        "'n':1.5", "n is 1.5; it must be a whole number from 1 to 16",
                        "'n':'2'", "n is no number; it must be a whole number from 1 to 16")
                .entrySet()) {
            for (var path : List.of(CHAT, TEXT)) {
                var more = "," + body.getKey();
                var answer = post(path, path.equals(CHAT) ? chat(more) : "{'prompt':'x'" + more + "}")
                        .join();
                assertEquals(400, answer.statusCode());
                assertTrue(answer.body().contains(body.getValue()), answer.body());
            }
        }
        var prompts = String.join(",", Collections.nCopies(65, "'x'"));
        var answer = post(TEXT, "{'prompt':[" + prompts + "],'n':16}").join();
        assertTrue(answer.body().contains("which is 1040 choices; the limit is 1024"), answer.body());
        answer = post(TEXT, "{'prompt':['x','']}").join();
        assertTrue(answer.body().contains("prompt[1] is empty"), answer.body());
        assertTrue(engine.hasNone());
    }
}
