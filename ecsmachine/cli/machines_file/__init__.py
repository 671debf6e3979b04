"""Reading ecsmachine.yaml: machines with the options of ``create``, in a file."""
