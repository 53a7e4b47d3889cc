package dev.llmworker.generation;

/// What a model is served as.
public enum Task {
    /// It answers prompts.
    GENERATE("generates text"),
    /// It makes vectors of texts.
    EMBED("makes embeddings"),
    /// It scores documents by how well they answer a query.
    RERANK("reranks documents");

    private final String words;

    Task(String words) {
        this.words = words;
    }

    /// What such a model does, in words: `makes embeddings`.
    public String words() {
        return words;
    }
}
