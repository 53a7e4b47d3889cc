package load;

import client.Arguments;
import client.Option;
import client.Target;
import client.UsageException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// What a load test does.
///
/// @param model named in requests to an OpenAI-compatible server; its first one where none is given
/// @param streams how many at the same time, case by case
/// @param requests of each stream, one after the other
/// @param temperature 0 is greedy
/// @param ignoreEos whether every answer goes on to `maxTokens`
/// @param workerWait for the first healthy answer
public record LoadOptions(
        Target target,
        boolean openAi,
        Optional<String> model,
        List<Integer> streams,
        List<Transport> transports,
        int requests,
        int maxTokens,
        double temperature,
        boolean ignoreEos,
        String prompt,
        Duration workerWait,
        Path json,
        Path html) {
    private static final List<Option> OWN = List.of(
            Option.of("--api", "worker|openai", "worker", "openai: any server with /v1/chat/completions"),
            Option.of("--model", "ID", "", "for openai; the server's first one where not given"),
            Option.of("--streams", "N,N,…", "1,8,32", "at the same time, case by case"),
            Option.of("--over", "LIST", "http,sse,websocket", "whole answers, server-sent events, WebSockets"),
            Option.of("--requests", "N", "4", "of each stream, one after the other"),
            Option.of("--max-tokens", "N", "128", "of each answer"),
            Option.of("--temperature", "T", "0", "0 is greedy"),
            Option.flag("--ignore-eos", "every answer goes on to --max-tokens, where the server knows ignore_eos"),
            Option.of(
                    "--prompt",
                    "TEXT",
                    "Tell me about load balancing in three paragraphs.",
                    "after a number of its own"),
            Option.of("--json", "FILE", "load-report.json", "where the figures go"),
            Option.of("--html", "FILE", "load-report.html", "where the report goes"));

    /// How answers come.
    public enum Transport {
        HTTP("HTTP"),
        SSE("SSE"),
        WEBSOCKET("WebSocket");

        final String text;

        Transport(String text) {
            this.text = text;
        }
    }

    public static List<Option> all() {
        var all = new ArrayList<>(Target.OPTIONS);
        all.addAll(OWN);
        all.add(Option.flag("--help", "this text"));
        return all;
    }

    public static LoadOptions of(Arguments arguments) throws UsageException {
        var openAi = arguments.oneOf("--api", false, "worker", "openai").contains("openai");
        var transports = arguments.oneOf("--over", true, "http", "sse", "websocket").stream()
                .map(name -> Transport.valueOf(name.toUpperCase(Locale.ROOT)))
                .filter(transport -> !openAi || transport != Transport.WEBSOCKET)
                .toList();
        if (transports.isEmpty()) {
            throw new UsageException("--over is \"websocket\"; OpenAI's API has none: http, sse");
        }
        var target = Target.of(arguments);
        // Clients of OpenAI's API call this the base URL.
        var base = URI.create(target.base().toString().replaceFirst("/v1$", ""));
        return new LoadOptions(
                new Target(base, target.token(), target.place(), target.headers(), target.timeout(), target.insecure()),
                openAi,
                arguments.optional("--model"),
                arguments.wholes("--streams", 1, 10_000),
                transports,
                arguments.whole("--requests", 1, 1_000_000),
                arguments.whole("--max-tokens", 1, 1_000_000),
                arguments.number("--temperature", 0, 2),
                arguments.has("--ignore-eos"),
                arguments.text("--prompt"),
                arguments.seconds("--wait", 0, 86_400),
                Path.of(arguments.text("--json")),
                Path.of(arguments.text("--html")));
    }
}
