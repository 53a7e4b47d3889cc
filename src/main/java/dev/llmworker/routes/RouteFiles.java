package dev.llmworker.routes;

import dev.llmworker.files.TextFile;
import dev.llmworker.settings.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.camel.spi.Resource;
import org.apache.camel.support.ResourceHelper;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The files of the routes' folder. Each is loaded separately: a broken file is reported with its line, and the
/// others still serve. If a file breaks while the worker runs, its previous version is served.
///
/// Threading: any thread; a lock on this object admits one at a time.
public final class RouteFiles {
    private static final Logger LOG = LoggerFactory.getLogger("dev.llmworker.Worker");
    private static final String ENDING = ".camel.yaml";
    /// A program that still writes a file changes it again within this time.
    private static final Duration PAUSE_OF_WRITERS = Duration.ofMillis(200);
    private static final int MOST_PAUSES = 25;

    private final WorkerContext context;
    private final Path folder;
    private final Map<Path, Served> served = new TreeMap<>();
    private final Map<Path, String> problems = new TreeMap<>();
    private Set<String> passedOver = Set.of();
    private boolean stopped;

    /// A file that is being served.
    private record Served(String text, ParsedRoutes routes) {}

    RouteFiles(WorkerContext context, Path folder) {
        this.context = context;
        this.folder = folder;
    }

    static boolean isOne(Path file) {
        return file.getFileName().toString().endsWith(ENDING);
    }

    /// Whether it looks like a route file, even if it is none by its name.
    static boolean isYaml(Path file) {
        var name = file.getFileName().toString();
        return name.endsWith(".yaml") || name.endsWith(".yml");
    }

    /// @throws SettingsException if the folder has no route files
    static List<Path> list(Path folder) throws SettingsException {
        if (!Files.isDirectory(folder)) {
            throw new SettingsException("ROUTES is \"" + folder
                    + "\", which is not a folder; it must be a folder with *" + ENDING + " files");
        }
        try (var files = Files.list(folder)) {
            var sorted = files.filter(RouteFiles::isOne).sorted().toList();
            if (sorted.isEmpty()) {
                throw new SettingsException("ROUTES is \"" + folder + "\", which has no *" + ENDING + " file");
            }
            return sorted;
        } catch (IOException e) {
            throw new SettingsException("ROUTES is \"" + folder + "\", which cannot be read: " + e.getMessage());
        }
    }

    /// The problems of the files whose current version is not served, by file.
    public synchronized Map<Path, String> problems() {
        return Map.copyOf(problems);
    }

    /// Loads all files into a started context. Configurations come first, so that they apply to every route.
    synchronized void loadAll() throws SettingsException {
        var parsed = new TreeMap<Path, Served>();
        for (var file : list(folder)) {
            attempt(file, () -> {
                var text = TextFile.read(file);
                var routes = parse(file, text);
                routes.configure(context);
                parsed.put(file, new Served(text, routes));
            });
        }
        parsed.forEach((file, candidate) -> attempt(file, () -> serve(file, candidate)));
        reportPassedOver();
    }

    private void reportPassedOver() {
        try (var files = Files.list(folder)) {
            var names = files.filter(file -> isYaml(file) && !isOne(file))
                    .map(file -> file.getFileName().toString())
                    .collect(Collectors.toCollection(TreeSet::new));
            if (!names.isEmpty() && !names.equals(passedOver)) {
                LOG.info(
                        "not served, because the name of a route file ends with {}: {}",
                        ENDING,
                        String.join(" ", names));
            }
            passedOver = names;
        } catch (IOException e) {
            LOG.error("the folder {} cannot be read", folder, e);
        }
    }

    /// Reads the folder again: loads new and changed files, and unloads deleted ones. It waits for files that are still
    /// written, while nothing else waits for it.
    public void reload() {
        try {
            apply(settled(changed()));
        } catch (IOException e) {
            LOG.error("the folder {} cannot be read", folder, e);
        } catch (InterruptedException _) {
            // The worker stops.
            Thread.currentThread().interrupt();
        }
    }

    /// The texts of the files whose current version is not served.
    private synchronized Map<Path, String> changed() throws IOException {
        var changed = new TreeMap<Path, String>();
        try (var files = Files.list(folder)) {
            for (var file : files.filter(RouteFiles::isOne).toList()) {
                var before = served.get(file);
                read(file)
                        .filter(text -> before == null || problems.containsKey(file) || !before.text.equals(text))
                        .ifPresent(text -> changed.put(file, text));
            }
        }
        return changed;
    }

    /// What the files have once nobody writes them any more. Editors empty a file before they write it.
    private Map<Path, String> settled(Map<Path, String> first) throws InterruptedException {
        var texts = first;
        for (var i = 0; i < MOST_PAUSES && !texts.isEmpty(); i++) {
            Thread.sleep(PAUSE_OF_WRITERS);
            var before = texts;
            var after = new TreeMap<Path, String>();
            before.keySet().forEach(file -> read(file).ifPresent(text -> after.put(file, text)));
            texts = after;
            if (texts.equals(before)) {
                break;
            }
        }
        return texts;
    }

    /// The text of a file; empty if it was deleted just now, or cannot be read, which is reported.
    private synchronized Optional<String> read(Path file) {
        try {
            return Optional.of(TextFile.read(file));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            report(file, e);
            return Optional.empty();
        }
    }

    /// Serves these texts, and nothing of files that are deleted.
    synchronized void apply(Map<Path, String> changed) {
        if (stopped) {
            return;
        }
        for (var file : List.copyOf(served.keySet())) {
            if (Files.notExists(file)) {
                forget(file);
                LOG.info("{} was deleted; its routes are unloaded", file);
            }
        }
        problems.keySet().removeIf(Files::notExists);
        changed.forEach(this::reload);
        // A path or an id may have moved from a later file to an earlier one.
        changed.forEach((file, text) -> {
            if (problems.containsKey(file)) {
                reload(file, text);
            }
        });
        reportPassedOver();
    }

    /// Waits for a reload that is under way, and allows no other. Camel cannot stop while routes change.
    synchronized void stop() {
        stopped = true;
    }

    private void reload(Path file, String text) {
        attempt(file, () -> replace(file, text));
    }

    private void replace(Path file, String text) throws Exception {
        // Errors in the text show here, before anything changes.
        parse(file, text).define(context, others(file));
        var before = served.get(file);
        var candidate = new Served(text, parse(file, text));
        if (before != null) {
            before.routes.removeConfigurations(context);
        }
        boolean configures;
        try {
            configures = candidate.routes.configure(context);
            serve(file, candidate);
        } catch (Exception | LinkageError e) {
            candidate.routes.removeConfigurations(context);
            if (before != null) {
                before.routes.restoreConfigurations(context);
            }
            throw e;
        }
        if (configures) {
            Map.copyOf(served).forEach((other, routes) -> {
                if (!other.equals(file)) {
                    loadAgain(other, routes.text, file);
                }
            });
        }
        LOG.info("{} is loaded: {}", file, String.join(" ", candidate.routes.ids()));
    }

    /// A configuration applies only to routes that are loaded after it. If one of them fails with it, the routes go on
    /// as they were.
    private void loadAgain(Path file, String text, Path configuration) {
        try {
            serve(file, new Served(text, parse(file, text)));
        } catch (Exception | LinkageError e) {
            report(
                    file,
                    new RouteProblem(
                            0,
                            "it cannot be loaded with the configuration of " + configuration.getFileName() + ": "
                                    + RouteProblem.reason(e)));
        }
    }

    /// Serves a file in place of its previous version, which serves on if this fails.
    private void serve(Path file, Served candidate) throws Exception {
        var before = served.get(file);
        candidate.routes.define(context, others(file));
        candidate.routes.start(context, before == null ? null : before.routes);
        served.put(file, candidate);
    }

    private void forget(Path file) {
        var before = served.remove(file);
        if (before != null) {
            try {
                before.routes.remove(context);
            } catch (Exception e) {
                LOG.error("{} cannot be unloaded", file, e);
            }
        }
    }

    private List<ParsedRoutes> others(Path file) {
        return served.entrySet().stream()
                .filter(other -> !other.getKey().equals(file))
                .map(other -> other.getValue().routes)
                .toList();
    }

    /// @throws RouteProblem if the file has nothing but comments
    private ParsedRoutes parse(Path file, String text) throws Exception {
        if (text.lines().map(String::strip).allMatch(line -> line.isEmpty() || line.startsWith("#"))) {
            throw new RouteProblem(0, "the file is empty; write a route into it, or delete it");
        }
        return ParsedRoutes.of(
                context, resource(file, text), text, file.getFileName().toString());
    }

    private static Resource resource(Path file, String text) {
        return ResourceHelper.fromString(file.toAbsolutePath().toString(), text);
    }

    private interface Loading {
        void run() throws Exception;
    }

    private void attempt(Path file, Loading loading) {
        try {
            loading.run();
            problems.remove(file);
        } catch (Exception | LinkageError e) {
            report(file, e);
        }
    }

    /// Logs each problem once, even if the file is saved twice.
    private void report(Path file, Throwable failure) {
        var problem = RouteProblem.of(file, failure);
        if (!problem.equals(problems.put(file, problem))) {
            LOG.error("{}", problem);
        }
    }
}
