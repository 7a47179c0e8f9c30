"""The web pages and the projection that answers: where is this exam?"""
