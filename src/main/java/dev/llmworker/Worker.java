package dev.llmworker;

/// The worker's `main`.
public final class Worker {
    private Worker() {}

    public static void main(String[] args) {}
}
