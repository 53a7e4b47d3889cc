package dev.llmworker.routes;

import dev.llmworker.files.TextFile;
import dev.llmworker.settings.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.camel.CamelContext;
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

    private final CamelContext context;
    private final Path folder;
    private final Map<Path, Served> served = new TreeMap<>();
    private final Map<Path, String> problems = new TreeMap<>();

    /// A file that is being served.
    private record Served(String text, ParsedRoutes routes) {}

    RouteFiles(CamelContext context, Path folder) {
        this.context = context;
        this.folder = folder;
    }

    static boolean isOne(Path file) {
        return file.getFileName().toString().endsWith(ENDING);
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
    }

    /// Reads the folder again: loads new and changed files, and unloads deleted ones.
    public synchronized void reload() {
        for (var file : List.copyOf(served.keySet())) {
            if (Files.notExists(file)) {
                forget(file);
                LOG.info("{} was deleted; its routes are unloaded", file);
            }
        }
        problems.keySet().removeIf(Files::notExists);
        try (var files = Files.list(folder)) {
            for (var file : files.filter(RouteFiles::isOne).sorted().toList()) {
                var text = TextFile.read(file);
                var before = served.get(file);
                // A blank file is ignored: editors empty a file before they write it.
                if (!text.isBlank() && (before == null || !before.text.equals(text))) {
                    reload(file, text);
                }
            }
        } catch (IOException e) {
            LOG.error("the folder {} cannot be read", folder, e);
        }
    }

    private void reload(Path file, String text) {
        var before = served.get(file);
        attempt(file, () -> replace(file, text));
        if (before != null && !served.containsKey(file)) {
            attemptAgain(file, before.text);
        }
    }

    private void replace(Path file, String text) throws Exception {
        // Errors in the text show here, before the old routes are removed.
        parse(file, text).define(context, otherIds(file));
        forget(file);
        var candidate = new Served(text, parse(file, text));
        var configures = candidate.routes.configure(context);
        serve(file, candidate);
        if (configures) {
            // A configuration applies only to routes that are loaded after it, so all other files are reloaded.
            for (var other : Map.copyOf(served).entrySet()) {
                if (!other.getKey().equals(file)) {
                    var again = other.getValue().text;
                    forget(other.getKey());
                    serve(other.getKey(), new Served(again, parse(other.getKey(), again)));
                }
            }
        }
        LOG.info("{} is loaded: {}", file, String.join(" ", candidate.routes.ids()));
    }

    /// Restores the previous version. If that fails too, it is reported like any other problem.
    private void attemptAgain(Path file, String text) {
        try {
            var candidate = new Served(text, parse(file, text));
            candidate.routes.configure(context);
            serve(file, candidate);
        } catch (Exception e) {
            LOG.error("{} cannot be restored to its previous version either", file, e);
        }
    }

    private void serve(Path file, Served candidate) throws Exception {
        // One of these ids may be another file's, so nothing is removed if this fails.
        candidate.routes.define(context, otherIds(file));
        try {
            candidate.routes.start(context);
            served.put(file, candidate);
        } catch (Exception e) {
            candidate.routes.remove(context);
            throw e;
        }
    }

    private void forget(Path file) {
        var before = served.remove(file);
        if (before != null) {
            before.routes.remove(context);
        }
    }

    private Set<String> otherIds(Path file) {
        var ids = new HashSet<String>();
        served.forEach((other, routes) -> {
            if (!other.equals(file)) {
                ids.addAll(routes.routes.ids());
            }
        });
        return ids;
    }

    private ParsedRoutes parse(Path file, String text) throws Exception {
        return ParsedRoutes.of(context, resource(file, text), file.getFileName().toString());
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
        } catch (Exception e) {
            var problem = RouteProblem.of(file, e);
            // Logs each problem once, even if the file is saved twice.
            if (!problem.equals(problems.put(file, problem))) {
                LOG.error("{}", problem);
            }
        }
    }
}
