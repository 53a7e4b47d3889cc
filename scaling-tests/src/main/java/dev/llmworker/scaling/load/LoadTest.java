package dev.llmworker.scaling.load;

import dev.llmworker.scaling.client.Client;
import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.client.NoServerException;
import dev.llmworker.scaling.client.Range;
import dev.llmworker.scaling.report.Program;
import dev.llmworker.scaling.report.Progress;
import dev.llmworker.scaling.report.Report;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Measures how fast a server generates, by the number of streams, over HTTP, server-sent events and WebSocket.
@Command(
        name = "LoadTest",
        sortOptions = false,
        showDefaultValues = true,
        customSynopsis = {
            "java scaling-tests/LoadTest.java --url http://localhost:8080",
            "       java scaling-tests/LoadTest.java --api openai --url http://localhost:8000/v1 --over sse"
        },
        description = {
            "",
            "Measures tokens per second, time to the first token and between tokens, by the number of streams, against"
                    + " this worker or any server with OpenAI's API. Ctrl-C ends it early, with a report of what was"
                    + " measured.",
            ""
        })
public final class LoadTest extends Program {
    enum ApiKind {
        WORKER,
        OPENAI
    }

    @Option(
            names = "--api",
            paramLabel = "worker|openai",
            defaultValue = "worker",
            description = "openai: any server with /v1/chat/completions")
    private ApiKind api;

    @Option(names = "--model", paramLabel = "ID", description = "for openai; the server's first model if not given")
    Optional<String> model;

    @Option(
            names = "--streams",
            paramLabel = "N",
            split = ",",
            defaultValue = "1,8,32",
            description = "at the same time, case by case")
    @Range(from = 1, to = 10_000)
    List<Integer> streams;

    @Option(
            names = "--over",
            paramLabel = "TRANSPORT",
            split = ",",
            defaultValue = "http,sse,websocket",
            description = "whole answers, server-sent events, WebSockets")
    List<Transport> transports;

    @Option(
            names = "--requests",
            paramLabel = "N",
            defaultValue = "4",
            description = "of each stream, one after the other")
    @Range(from = 1, to = 1_000_000)
    int requests;

    @Option(names = "--max-tokens", paramLabel = "N", defaultValue = "128", description = "of each answer")
    @Range(from = 1, to = 1_000_000)
    int maxTokens;

    @Option(names = "--temperature", paramLabel = "T", defaultValue = "0", description = "0 is greedy")
    @Range(from = 0, to = 2)
    double temperature;

    @Option(
            names = "--ignore-eos",
            description = "every answer continues to --max-tokens, if the server supports ignore_eos")
    boolean ignoreEos;

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            defaultValue = "Tell me about load balancing in three paragraphs.",
            description = "each request puts a number in front")
    String prompt;

    private LoadTest() {
        super("load-report");
    }

    public static void main(String... words) {
        start(new LoadTest(), words);
    }

    public static int run(String... words) {
        return run(new LoadTest(), words);
    }

    @Override
    protected void check() {
        if (!isOpenAi()) {
            return;
        }
        target.withoutVersion();
        transports =
                transports.stream().filter(one -> one != Transport.WEBSOCKET).toList();
        if (transports.isEmpty()) {
            throw wrong("--over is \"websocket\"; OpenAI's API has only http and sse");
        }
    }

    @Override
    protected Report run(Client client, Progress progress) throws NoServerException {
        var run = new LoadRun(this, client, progress);
        run.run();
        return new LoadReport(this, run);
    }

    boolean isOpenAi() {
        return api == ApiKind.OPENAI;
    }

    double workerWait() {
        return wait;
    }

    double timeout() {
        return target.timeoutSeconds();
    }

    String url() {
        return target.shown();
    }

    /// @param model that was used, if the API has models
    Map<String, Object> settings(String model) {
        return Json.object(
                "url", url(),
                "api", isOpenAi() ? "openai, model " + model : "worker",
                "requests_of_each_stream", requests,
                "max_tokens", maxTokens,
                "temperature", temperature,
                "ignore_eos", ignoreEos,
                "prompt", prompt,
                "timeout_seconds", timeout());
    }
}
