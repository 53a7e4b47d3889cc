package dev.llmworker.scaling;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeoutException;
import okhttp3.Headers;
import okhttp3.HttpUrl;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/// A program of the command line: the options that both have, the exit status, and the end by Ctrl-C.
///
/// It ends with 0 if the report says so and with 1 if not, with 2 for a wrong option, with 3 if no server answers.
abstract class Program implements Callable<Integer> {
    static final String WORKER_HEADER = "X-Runpod-Worker-Id";
    private static final int WRONG_OPTION = 2;
    private static final int NO_SERVER = 3;
    private static final int MAX_SECONDS = 86_400;
    private static final int MAX_COUNT = 1_000_000;
    private static final int HELP_COLUMNS = 110;
    private static final Duration REPORT_LIMIT = Duration.ofSeconds(20);
    private static final Set<String> NOT_IN_REPORTS = Set.of("help", "json", "html", "header", "token", "url");

    /// Where the token goes when a WebSocket is opened. HTTP requests always have it in a header.
    enum TokenPlace {
        URL,
        HEADER,
        BOTH
    }

    @Option(names = "--url", defaultValue = "http://localhost:80", description = "address of the worker or its proxy")
    HttpUrl url;

    @Option(names = "--token", description = "sent as a bearer token, and as ?token= in the URL of a WebSocket")
    String token;

    @Option(
            names = "--token-in",
            defaultValue = "both",
            description = "for WebSockets: url (as browsers), header, both")
    TokenPlace tokenIn;

    @Option(names = "--header", description = "another header for each request: 'NAME: VALUE'; repeatable")
    private List<Headers> headers = List.of();

    @Option(names = "--timeout", defaultValue = "60", description = "seconds for an answer, or for a WebSocket to open")
    double timeout;

    @Option(names = "--insecure", description = "accept any TLS certificate")
    boolean insecure;

    @Option(names = "--wait", defaultValue = "180", description = "seconds until the first healthy answer must come")
    double wait;

    @Option(names = "--json", description = "file for the figures")
    private Path json;

    @Option(names = "--html", description = "file for the report")
    private Path html;

    @Option(names = "--help", usageHelp = true, description = "show this help")
    private boolean help;

    @Spec
    private CommandSpec spec;

    /// @param report name of the report's files if no option gives one
    Program(String report) {
        json = Path.of(report + ".json");
        html = Path.of(report + ".html");
    }

    /// Measures everything, or as much as it can before the thread is interrupted.
    abstract Report measure(Client client, Progress progress) throws TimeoutException;

    /// Checks what depends on several options.
    void check() {}

    final ParameterException wrong(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    Headers headers(boolean withToken) {
        var all = new Headers.Builder();
        headers.forEach(header -> all.set(header.name(0), header.value(0)));
        return withToken && token != null
                ? all.set("Authorization", "Bearer " + token).build()
                : all.build();
    }

    /// The address as it may be shown: without a password in it.
    String shownUrl() {
        return url.newBuilder().username("").password("").build().toString().replaceFirst("/$", "");
    }

    /// Clients of OpenAI's API include `/v1` in the base URL; these programs include it in the paths.
    final void withoutVersion() {
        url = HttpUrl.get(url.toString().replaceFirst("/v1/?$", ""));
    }

    /// The options as they may be shown, by their names.
    Map<String, Object> settings() {
        var settings = new LinkedHashMap<String, Object>();
        settings.put("written", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        settings.put("url", shownUrl());
        settings.put("token", token == null ? "none" : "given");
        for (var option : spec.options()) {
            var name = option.longestName().substring(2);
            if (!NOT_IN_REPORTS.contains(name) && option.getValue() != null) {
                settings.put(name.replace('-', '_'), option.getValue());
            }
        }
        return settings;
    }

    /// @return the exit status
    static int run(Program program, String... words) {
        Locale.setDefault(Locale.ROOT);
        return new CommandLine(program)
                .registerConverter(HttpUrl.class, Program::url)
                .registerConverter(Headers.class, Program::header)
                .registerConverter(Double.TYPE, number(Double::valueOf, "number", 0, MAX_SECONDS))
                .registerConverter(Double.class, number(Double::valueOf, "number", 0, MAX_SECONDS))
                .registerConverter(Integer.TYPE, number(Integer::valueOf, "whole number", 1, MAX_COUNT))
                .registerConverter(Integer.class, number(Integer::valueOf, "whole number", 1, MAX_COUNT))
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setOverwrittenOptionsAllowed(true)
                .setExpandAtFiles(false)
                .setUsageHelpWidth(HELP_COLUMNS)
                .setParameterExceptionHandler((e, _) -> program.say(e.getMessage(), WRONG_OPTION))
                .execute(words);
    }

    private static HttpUrl url(String text) {
        var url = HttpUrl.parse(text.replaceFirst("^ws", "http"));
        if (url == null || url.query() != null) {
            throw wrongValue("an address like http://localhost:8080 or https://host/path, without a query", text);
        }
        return url;
    }

    private static Headers header(String text) {
        var parts = text.split(":", 2);
        try {
            return Headers.of(parts[0].strip(), parts[1].strip());
        } catch (IllegalArgumentException | IndexOutOfBoundsException _) {
            throw wrongValue("like 'X-API-Key: secret'", text);
        }
    }

    private static <N extends Number> ITypeConverter<N> number(
            ITypeConverter<N> parser, String kind, int low, int high) {
        return text -> {
            try {
                var number = parser.convert(text);
                if (number.doubleValue() >= low && number.doubleValue() <= high) {
                    return number;
                }
            } catch (NumberFormatException _) {
                // Reported below, like a number that is too large.
            }
            throw wrongValue("a " + kind + " from " + low + " to " + high, text);
        };
    }

    private static TypeConversionException wrongValue(String expected, String text) {
        return new TypeConversionException("it must be " + expected + ", and is \"" + text + "\"");
    }

    @Override
    public final Integer call() throws InterruptedException, ExecutionException {
        if (timeout == 0) {
            throw wrong("--timeout must be longer than 0");
        }
        try {
            headers(true);
        } catch (IllegalArgumentException _) {
            throw wrong("--token has a character that no header can have");
        }
        check();
        var task = new FutureTask<>(this::measureAndReport);
        // Only on a virtual thread does an interrupt end the wait for an answer.
        var run = Thread.ofVirtual().start(task);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> finish(run)));
        return task.get();
    }

    /// On Ctrl-C, ends the run early and waits until its report is written.
    private static void finish(Thread run) {
        if (!run.isAlive()) {
            return;
        }
        System.err.println("\nstopping; the report will have what was measured");
        run.interrupt();
        try {
            run.join(REPORT_LIMIT);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private int measureAndReport() {
        try (var client = new Client(this)) {
            var report = measure(client, new Progress());
            report.write(json, html);
            System.out.print(report.text());
            System.out.println("Report: " + html + ", figures: " + json);
            System.out.flush();
            return report.passed() ? 0 : 1;
        } catch (TimeoutException e) {
            return say(e.getMessage(), NO_SERVER);
        } catch (IOException e) {
            return say("the report cannot be written: " + e, 1);
        }
    }

    private int say(String message, int status) {
        System.err.println(spec.name() + ": " + message);
        return status;
    }
}
