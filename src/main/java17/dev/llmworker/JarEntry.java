package dev.llmworker;

/// What `java -jar worker.jar` starts. It is compiled for Java 17, and says which Java the worker needs. The JVM would say
/// so by the versions of class files.
public final class JarEntry {
    private static final String WORKER = "dev.llmworker.Worker";

    private JarEntry() {}

    public static void main(String[] args) throws ReflectiveOperationException {
        String problem = PluginEntry.problem(Runtime.version().feature());
        if (problem != null) {
            System.err.println("worker: " + problem);
            System.exit(1);
        }
        Class.forName(WORKER).getMethod("main", String[].class).invoke(null, (Object) args);
    }
}
