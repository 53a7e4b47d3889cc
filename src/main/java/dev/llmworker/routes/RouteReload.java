package dev.llmworker.routes;

import java.io.File;
import java.nio.file.Path;
import org.apache.camel.support.FileWatcherResourceReloadStrategy;

/// Reloads route files when they change: Camel watches the folder, and [RouteFiles] reloads.
final class RouteReload extends FileWatcherResourceReloadStrategy {
    RouteReload(Path folder, RouteFiles files) {
        super(folder.toString());
        setFileFilter(file -> RouteFiles.isYaml(file.toPath()));
        setResourceReload((_, _) -> files.reload());
    }

    @Override
    protected String startupMessage(File directory) {
        return "files in " + directory + " are reloaded when they change";
    }
}
